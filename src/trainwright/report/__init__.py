"""Shows findings and charts as text and as one self-contained page. Nothing here judges."""
