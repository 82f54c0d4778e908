"""The verbs, thin: each joins lower rooms."""
