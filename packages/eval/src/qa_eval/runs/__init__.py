"""A run of a model over questions: what goes in, what is asked, what comes out."""
