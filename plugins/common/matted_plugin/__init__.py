"""What every host plugin shares: the buttons, the host they act on, and the job they hold. Python 3.9, no host imported."""
