"""What tables and pages call things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's heading (HTML), its name in a sentence, how many decimals it is shown with, and which way is better."""

    label: str
    plain: str
    digits: int
    better: str = "low"


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of a protocol: title, first sentence, the table's columns and remark, how it works, its equation."""

    title: str
    lead: str
    columns: tuple[str, ...]
    table: str
    how: str
    equation: str


REGION_ORDER = ("nose", "mouth", "eyes", "forehead", "cheeks", "chin", "ears", "skull", "neck")

FIGURES = {
    "median_mm": Figure("median, mm", "the median error, mm", 3),
    "mean_mm": Figure("mean, mm", "the mean error, mm", 3),
    "std_mm": Figure("std, mm", "the standard deviation, mm", 3),
    "rmse_mm": Figure("3DRMSE, mm", "the 3DRMSE, mm", 3),
    "identity_ratio": Figure("identity<br>ratio", "the identity ratio", 3),
    "shrinkage": Figure("shrinkage", "the shrinkage", 2, ""),
    "scale_error_percent": Figure("scale error,<br>%", "the scale error, %", 2, ""),
    "scale_error_percent_size": Figure("scale error,<br>mean size, %", "the size of the scale error, %", 2),
    "nme": Figure("NME", "the normalised mean error", 5),
    "mesh_to_scan_mm": Figure("mesh to scan, mm", "the mesh-to-scan distance, mm", 3),
    "worst_tenth_mm": Figure("90 % largest, mm", "the mean of the worst tenth, mm", 3),
    "covered": Figure("covered", "the share covered", 3, "high"),
    "eq9_mean_mm": Figure("e, mm", "the projected error, mm", 3, ""),
    "eq9_sigma_mm": Figure("σ, mm", "sigma of the projected error, mm", 3),
    "regions_mean_mm": Figure("mean of regions, mm", "the mean over regions, mm", 3),
    **{f"{name}_mm": Figure(f"{name}, mm", f"the error of the {name}, mm", 3) for name in REGION_ORDER},
    "mask_precision": Figure("mask<br>precision", "mask precision", 4, "high"),
    "mask_recall": Figure("mask<br>recall", "mask recall", 4, "high"),
    "mean_deg": Figure("mean, °", "the mean angle, degrees", 2),
    "std_deg": Figure("std, °", "the standard deviation, degrees", 2),
    "below_10_deg": Figure("&lt; 10°", "the share below 10 degrees", 4, "high"),
    "below_20_deg": Figure("&lt; 20°", "the share below 20 degrees", 4, "high"),
    "below_30_deg": Figure("&lt; 30°", "the share below 30 degrees", 4, "high"),
    "sigma_px": Figure("σ, px", "sigma, px", 3),
    "median_px": Figure("median, px", "the median error, px", 3),
    "beyond_gate": Figure("beyond 7 px", "the share beyond the gate", 4),
    **{
        f"{what}_{where}": Figure(
            f"{label}<br>{where.replace('_', ' ')}", f"{what} over {where} texels", digits, better
        )
        for what, label, digits, better in (
            ("mse", "MSE", 5, "low"),
            ("psnr_db", "PSNR, dB", 2, "high"),
            ("ssim", "SSIM", 4, "high"),
        )
        for where in ("unseen", "other_side", "seen", "all")
    },
    "depth_rmse_mm": Figure("depth RMSE, mm", "depth RMSE, mm", 3),
    "photo_rmse": Figure("photometric<br>RMSE", "photometric RMSE", 4),
    "jitter_px": Figure("jitter, px", "landmark jitter, px", 4),
    "drift_mm": Figure("drift, mm", "identity drift, mm", 3),
    "p1_metrical_mm": Figure("P1 metrical,<br>mean, mm", "the metrical mean error, mm", 3),
    "vertex_mm": Figure("face,<br>vertices, mm", "the vertex-to-vertex error of the face, mm", 3),
    "head_mm": Figure("whole head,<br>vertices, mm", "the vertex-to-vertex error of the head, mm", 3),
    "share_of_mean_head": Figure("share of the<br>mean head’s", "the share of the mean head's error", 3),
}

GROUPS = {
    "group": "Challenge or quality",
    "yaw_deg": "Yaw, degrees",
    "photos": "Number of photos",
    "age": "Age, years",
    "sex": "Sex",
    "skin_tone": "Skin tone",
}

_SCAN_TO_MESH = "E(s, R, t) = ½ Σᵢ min over c on the mesh of ‖ xᵢ − (s R c + t) ‖²,   error eᵢ = ‖ xᵢ − c*ᵢ ‖"

PROTOCOLS = {
    "now": Words(
        "NoW",
        "Single photo to neutral face, judged by the distance of each scan vertex to the predicted surface.",
        ("median_mm", "mean_mm", "std_mm", "vertex_mm"),
        "All cropped scan vertices of all images are pooled.",
        "Scan cropped to a ball around the face; prediction laid on it by seven landmarks; rotation, translation and, in the non-metrical"
        " variant, scale refined over exact closest points to convergence (Sanyal et al. 2019).",
        "c = p₄ + 0.3 (m − p₄),  m = (p₁ + p₂)/2,  r = 1.4 (‖p₀ − p₃‖ + ‖m − p₄‖)/2\n" + _SCAN_TO_MESH,
    ),
    "stirling": Words(
        "Stirling / ESRC",
        "Single photos of low and high quality, judged by the distance of each scan vertex to the predicted surface.",
        ("median_mm", "mean_mm", "std_mm", "rmse_mm"),
        "All cropped scan vertices of all images are pooled; 3DRMSE is the mean over images of each image's.",
        "As NoW (after MICA, table 3), or by landmarks alone with a crop of r = 1.2 (…)/2 (Feng et al. 2018): see the settings.",
        "c = p₄ + 0.3 (m − p₄),  m = (p₁ + p₂)/2,  r = 1.4 (‖p₀ − p₃‖ + ‖m − p₄‖)/2\n" + _SCAN_TO_MESH,
    ),
    "florence": Words(
        "MICC Florence",
        "Normalised mean error of the predicted face against the nearest scan points.",
        ("nme", "mesh_to_scan_mm"),
        "Means over items; the curve is the cumulative error distribution over items.",
        "Rigid ICP of the prediction's vertices on the scan (from landmarks, else from several starts), then the nearest scan"
        " point for each. The mean head is cut to its face.",
        "NME = meanᵢ ‖ pᵢ − qᵢ ‖ / d,  d = size of the predicted face's box (diagonal, or √(width × height))",
    ),
    "bu3dfe": Words(
        "BU-3DFE",
        "Depth error of the predicted surface after alignment, and its projection on the scan's normals.",
        ("mean_mm", "std_mm", "median_mm", "worst_tenth_mm", "eq9_mean_mm", "eq9_sigma_mm", "covered"),
        "Mean, std and median pool all vertices; “90 % largest” is the mean of the worst tenth, averaged over items.",
        "Alignment over the whole scan (landmarks, else several starts of ICP); depth along the scan's z axis.",
        "e = mean over k of (aₖ − bₖ) · nₖ,   σ² = mean over examples of the variance of (aₖ − bₖ) · nₖ",
    ),
    "regions": Words(
        "Regions with correspondence",
        "Error by region after an alignment of its own and a non-rigid registration, which tells corresponding places.",
        ("regions_mean_mm", "nose_mm", "mouth_mm", "eyes_mm", "forehead_mm", "cheeks_mm", "chin_mm", "mean_mm"),
        "Means over items; the last column is the plain scan-to-mesh mean.",
        "For each region: rigid alignment by its points, non-rigid ICP of the prediction's part to the scan, error = distance of the"
        " rigidly aligned vertex to its corresponded place (after REALY, Chai et al. 2022).",
        "min over d of Σ wᵢ ‖ vᵢ + dᵢ − cᵢ ‖² + α Σ over edges ‖ dᵢ − dⱼ ‖²",
    ),
    "bench": Words(
        "Open synthetic benchmark, geometry only",
        "Cephalon's own fit on heads sampled from its model, seen by five cameras through landmarks with independent noise.",
        ("median_mm", "mean_mm", "p1_metrical_mm", "vertex_mm", "head_mm", "share_of_mean_head"),
        "Median and mean are NoW's, non-metrical, pooled; vertex-to-vertex after rigid alignment, share of the mean head's by the"
        " face's vertices.",
        "iBUG's 68 and MediaPipe's 478 points where the camera sees them, with the stated noise in per cent of the outer eye distance; one"
        " seed, the same people on every machine.",
        "u = π(K, R X + t) + N(0, σ² I),   share = mean over people of the error / the same of the mean head",
    ),
    "normals": Words(
        "Normals and mask",
        "Angle between estimated and true normals, and how well the mask is met.",
        ("mean_deg", "std_deg", "below_10_deg", "below_20_deg", "below_30_deg", "mask_precision", "mask_recall"),
        "Means over pictures. “flat” knows nothing: the true mask, every normal towards the viewer.",
        "Angles where both masks agree; precision and recall of the estimated mask.",
        "angle = atan2( ‖ n × n* ‖ , n · n* )",
    ),
    "integration": Words(
        "Integration of normals",
        "Depth integrated from normals and gradient magnitudes, against the true depth.",
        ("sigma_px", "median_px", "beyond_gate"),
        "Means over pictures; one row for each way of integrating. “flat” knows nothing: a plane.",
        "Median offset removed; sigma is the root of the mean variance inside ± 3 sigma; errors beyond 7 px are gated and counted.",
        "min over z of Σ w ( (∂z/∂x − p)² + (∂z/∂y − q)² ),   w = 1 / (1 + λ W)",
    ),
    "texture": Words(
        "Texture",
        "Completed albedo against the true albedo.",
        tuple(
            f"{what}_{where}"
            for where in ("unseen", "other_side", "seen", "all")
            for what in ("mse", "psnr_db", "ssim")
        ),
        "Means over people. Other side: both textures on one head, seen from the side that the photo did not see.",
        "Values from 0 to 1; seen and unseen texels by the mask beside the truth. Seen from the other side without light, the photo's"
        " view mirrored, at least 45° from the front. Grey rows cost nothing: they keep what is seen and complete it simply.",
        "PSNR = −10 log₁₀ MSE;  SSIM with a Gaussian window of 1.5 texels (Wang et al. 2004)",
    ),
    "tracking": Words(
        "Tracking",
        "Depth, photometric error, jitter of landmarks and drift of identity over a sequence.",
        ("depth_rmse_mm", "photo_rmse", "jitter_px", "drift_mm"),
        "Means over sequences. “flat” knows nothing but each frame's true median depth.",
        "Depth where both are known; jitter is the second difference of landmarks in time; drift is the spread of the neutral shape.",
        "jitter = rms of u(t−1) − 2 u(t) + u(t+1)",
    ),
}
