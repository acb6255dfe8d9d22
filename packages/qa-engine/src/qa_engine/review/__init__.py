"""A person in the loop: a local page to accept, reject or correct objects and questions."""
