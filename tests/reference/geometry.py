"""Slow and obvious forms of the geometry room's formulas."""

from __future__ import annotations

import math

import numpy as np


def central_difference(function, x, step=1e-6):
    """Derivative of an array function at the array x; the axes of x come last."""
    x = np.asarray(x, dtype=float)
    columns = []
    for place in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[place] = step
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return np.stack(columns, axis=-1).reshape(*np.shape(function(x)), *x.shape)


def exponential(matrix, terms=60):
    """exp(matrix) by its power series."""
    total = term = np.eye(len(matrix))
    for n in range(1, terms):
        term = term @ matrix / n
        total = total + term
    return total


def vertex_normals(vertices, faces):
    """Angle-weighted normals, corner by corner."""
    normals = np.zeros((len(vertices), 3))
    for face in faces:
        corners = [vertices[v] for v in face]
        cross = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        if np.linalg.norm(cross) == 0:
            continue
        normal = cross / np.linalg.norm(cross)
        for c in range(3):
            a = corners[(c + 1) % 3] - corners[c]
            b = corners[(c + 2) % 3] - corners[c]
            normals[face[c]] += normal * math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    return np.array([n / np.linalg.norm(n) if n.any() else n for n in normals])


def horn(source, target, weights):
    """Rigid alignment by the largest eigenvector of Horn's quaternion matrix (Horn 1987); no singular values."""
    weights = np.asarray(weights) / np.sum(weights)
    x, y = source - weights @ source, target - weights @ target
    s = sum(w * np.outer(a, b) for w, a, b in zip(weights, x, y, strict=True))
    upper = np.array([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    n = np.zeros((4, 4))
    n[0, 0] = np.trace(s)
    n[0, 1:] = n[1:, 0] = upper
    n[1:, 1:] = s + s.T - np.trace(s) * np.eye(3)
    w, *v = np.linalg.eigh(n)[1][:, -1]
    v = np.array(v)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation = (w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * k
    return rotation, weights @ target - rotation @ (weights @ source)


def bilinear(image, x, y):
    """One value between pixels: the weighted mean of the four pixels around, the border going on for ever."""
    height, width = image.shape[:2]
    total = 0.0
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - abs(x - 0.5 - column)) * (1 - abs(y - 0.5 - row))
            total = total + weight * image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    return total
