"""The last percent, honestly: several networks as one, weights averaged, calibrated, distilled, and what it gained."""
