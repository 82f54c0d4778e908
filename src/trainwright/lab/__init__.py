"""The lab: every simulation of the craft, computed by this library itself. The page only draws what is given here."""
