"""The experiment: samples that an arm needs to reach the score of static data."""
