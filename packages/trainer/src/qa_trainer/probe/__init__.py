"""A linear probe of a model's eye: what can be read off its frozen features about scenes of a store."""
