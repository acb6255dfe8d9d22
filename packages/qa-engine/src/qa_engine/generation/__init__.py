"""Questions with computed answers: what is asked, by whom it is written, and in which files it ends."""
