"""The scene, the objects and cameras in it, and the store that keeps scenes."""
