"""Synthetic people: photographs with perfect truth. See docs/synth.md."""
