"""What the plugin calls of nukescripts, for the type checker: types-nuke has none of it."""

from nukescripts import panels as panels
