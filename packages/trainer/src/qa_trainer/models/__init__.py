"""Model architectures of the package."""
