"""Facts of scenes, computed once: distances, sizes, bearings; questions are cheap selections over them."""
