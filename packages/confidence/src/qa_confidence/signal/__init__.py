"""What a clean pass tells about the next round: expected scores, chance, headroom, learning progress, suspects."""
