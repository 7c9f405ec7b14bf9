"""The properties of a scope that are read are among those that the unmarshaller keeps."""

from typing import Any

from scoperun.systemd.answers import WANTED, scope_properties


class Recording(dict[str, Any]):
    """Properties that remember which of them were read."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(properties)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


def test_each_property_that_is_read_is_kept() -> None:
    properties = Recording(Result="timeout", RuntimeMaxUSec=3_000_000)
    assert scope_properties(properties).runtime_max == 3.0
    assert properties.read <= WANTED
    assert len(properties.read) > 5
