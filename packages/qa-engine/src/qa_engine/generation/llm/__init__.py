"""Questions written by a language model; every program is checked and run before a question counts."""
