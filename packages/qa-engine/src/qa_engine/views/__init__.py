"""What frames show: objects in view, evidence for a question, and which frames are chosen."""
