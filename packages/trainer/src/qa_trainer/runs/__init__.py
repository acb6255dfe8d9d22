"""The folder of a run, its processes, and the predictions that it records."""
