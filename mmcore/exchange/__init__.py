"""Exchanges as the host sees them: the seam (`base`), byte transports (`net`, `channel`) and Binance Spot."""
