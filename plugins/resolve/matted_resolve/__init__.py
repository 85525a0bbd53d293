"""matted in DaVinci Resolve: a script inside Resolve's menu, and a companion on matted's own Python."""
