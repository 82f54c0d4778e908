"""What the user of a watched program does not want to hear: the same as in a run of our own."""

from trainwright.doctor.silence import Silence, ignored_on_line

__all__ = ["Silence", "ignored_on_line"]
