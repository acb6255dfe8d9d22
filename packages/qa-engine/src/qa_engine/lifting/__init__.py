"""From masks in frames to objects in the room."""
