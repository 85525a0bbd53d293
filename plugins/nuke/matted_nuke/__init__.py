"""matted in Nuke: the only code that imports nuke. Python 3.9."""
