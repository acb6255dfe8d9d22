"""Pictures and pages of scenes, frames and questions."""
