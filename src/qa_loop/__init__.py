"""The closed loop: runs the four packages as processes over Parquet files."""

__version__ = "0.1.0"
