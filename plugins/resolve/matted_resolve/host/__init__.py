"""The only code that touches Resolve's scripting API."""
