from typing import Any

class _WidgetPanel:
    """What Nuke puts around the widget (source: Foundry's public Python guide, custom panels)."""

    def addToPane(self, pane: Any = ...) -> Any: ...

def registerWidgetAsPanel(widget: str, name: str, id: str, create: bool = ...) -> _WidgetPanel | None: ...
