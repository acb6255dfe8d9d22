"""Spatial questions whose answers are computed from 3D boxes, point clouds and camera poses."""

__version__ = "0.1.0"
