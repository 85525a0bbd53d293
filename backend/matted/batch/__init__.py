"""Many shots and many frames: what is measured and run without an artist watching."""
