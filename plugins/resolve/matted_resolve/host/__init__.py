"""The only code that touches Resolve's scripting API; :mod:`matted_resolve.host.shot` puts it together."""
