"""What every host plugin shares: the buttons, the host they act on, and the job they hold. No host is imported."""
