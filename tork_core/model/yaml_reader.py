"""YAML to a tree of nodes: libyaml's events, without YAML 1.1's implicit types.

libyaml splits the text into events. What they mean is decided here and not by PyYAML's
constructors: PyYAML would make a date of ``2024-01-01``, a number of ``12:30:45`` and false of
``no``, would let the last of two equal keys win, and would follow aliases without counting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import yaml

from tork_core.errors import InvalidJob
from tork_core.model.caps import Budget
from tork_core.model.nodes import Entry, Kind, Mapping, Node, Scalar, Sequence, kind_of_plain
from tork_core.model.problems import Path, quoted
from tork_core.model.secret_names import REDACTED, is_secret_name
from tork_core.model.source import Source
from tork_core.model.yaml_mistakes import not_yaml, template_hint

_TAGS = {
    f"tag:yaml.org,2002:{name}": name
    for name in ("str", "int", "float", "bool", "null", "map", "seq")
}
_KIND_OF_TAG = {
    "str": Kind.TEXT,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "bool": Kind.FLAG,
    "null": Kind.NULL,
}
_TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_MERGE = "<<"


def read_yaml(source: Source) -> Node | None:
    """Return what a YAML file says, or None where it says nothing; raises InvalidJob."""
    directive = _TAG_DIRECTIVE.search(source.text)
    if directive is not None:
        # Nothing in a job needs one, and libyaml takes seconds over some ten thousand of them.
        raise source.invalid("%TAG directives are not supported", offset=directive.start())
    return _Composer(source).compose()


class _Anchored(msgspec.Struct, frozen=True):
    """A node that has a name, and what each alias of it costs."""

    node: Node
    size: int
    height: int


class _Frame(msgspec.Struct):
    """A list or a mapping whose end has not come yet."""

    offset: int
    tag: str | None
    anchor: str | None
    items: list[Node] | None = None
    entries: dict[str, Entry] = msgspec.field(default_factory=dict[str, Entry])
    merges: list[tuple[int, Node]] = msgspec.field(default_factory=list[tuple[int, Node]])
    key: Scalar | None = None
    merging: bool = False
    size: int = 1
    height: int = 1

    @property
    def wants_key(self) -> bool:
        return self.items is None and self.key is None and not self.merging


class _Composer:
    """Builds the tree from events; its own stack, so that no nesting can exhaust Python's."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._budget = Budget(source)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._root: Node | None = None
        self._documents = 0

    def compose(self) -> Node | None:
        for event in self._events():
            # The order is that of how often they come.
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._document(event)
        root = self._root
        return None if isinstance(root, Scalar) and root.kind is Kind.NULL else root

    def _events(self) -> Iterator[yaml.Event]:
        try:
            loader = yaml.CSafeLoader(self._source.text)
            while (event := loader.get_event()) is not None:
                yield event
        except yaml.YAMLError as error:
            raise not_yaml(error, self._source, self._path()) from None

    def _document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._source.invalid(
                "a second document begins here; submit one job at a time",
                offset=_offset(event),
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        offset = _offset(event)
        tag = self._tag(event.tag, offset)
        plain = event.implicit[0] and tag is None
        node = Scalar(offset, event.value, kind_of_plain(event.value) if plain else Kind.TEXT)
        if tag is not None:
            node = self._tagged(node, tag)
        self._budget.spend(1, depth=len(self._stack), offset=offset, path=self._path)
        self._name(event.anchor, node, size=1, height=0)
        if self._stack and self._stack[-1].wants_key:
            self._key(node, merge=plain and event.value == _MERGE)
        else:
            self._value(node, size=1, height=0)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        offset = _offset(event)
        if self._stack and self._stack[-1].wants_key:
            raise self._complex_key(offset)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        tag = self._tag(event.tag, offset)
        if tag is not None and tag != ("seq" if is_list else "map"):
            raise self._invalid(f"!!{tag} does not fit {_noun(is_list)}", offset)
        self._budget.spend(1, depth=len(self._stack) + 1, offset=offset, path=self._path)
        if event.anchor is not None:
            # A new owner of the name: an alias inside it must not find the old one.
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(offset, tag, event.anchor, items=[] if is_list else None))

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.items is not None:
            node: Node = Sequence(frame.offset, frame.items)
        else:
            self._merge(frame)
            node = Mapping(frame.offset, frame.entries)
        self._name(frame.anchor, node, size=frame.size, height=frame.height)
        self._value(node, size=frame.size, height=frame.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        assert event.anchor is not None
        offset = _offset(event)
        self._budget.spend_alias(offset=offset, path=self._path)
        target = self._anchors.get(event.anchor)
        if target is None:
            inside = any(frame.anchor == event.anchor for frame in self._stack)
            why = "has no anchor before it; quote a text that begins with *"
            if inside:
                why = "stands inside what it names"
            name = self._shown(f"*{event.anchor}")
            raise self._invalid(f"the alias {name} {why}", offset)
        depth = len(self._stack) + target.height
        self._budget.spend(target.size, depth=depth, offset=offset, path=self._path)
        if not self._stack[-1].wants_key:
            self._value(target.node, size=target.size, height=target.height)
        elif isinstance(target.node, Scalar):
            self._key(msgspec.structs.replace(target.node, offset=offset), merge=False)
        else:
            raise self._complex_key(offset)

    def _name(self, anchor: str | None, node: Node, *, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, size, height)

    def _key(self, key: Scalar, *, merge: bool) -> None:
        frame = self._stack[-1]
        frame.size += 1
        if merge:
            if frame.merges:
                raise self._invalid(
                    f'"{_MERGE}" is written twice; merge several with "{_MERGE}: [*a, *b]"',
                    key.offset,
                )
            frame.merging = True
            return
        first = frame.entries.get(key.text)
        if first is not None:
            line, _ = self._source.place(first.offset)
            raise self._invalid(
                f"{quoted(key.text)} is written twice, first on line {line}", key.offset
            )
        frame.key = key

    def _value(self, node: Node, *, size: int, height: int) -> None:
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if frame.items is not None:
            frame.items.append(node)
        elif frame.key is not None:
            frame.entries[frame.key.text] = Entry(frame.key.offset, node)
            frame.key = None
        else:
            frame.merges.append((node.offset, node))
            frame.merging = False

    def _merge(self, frame: _Frame) -> None:
        """Take over what ``<<`` names: the mapping's own keys win, then the first of several."""
        for offset, node in frame.merges:
            for mapping in node.items if isinstance(node, Sequence) else [node]:
                if not isinstance(mapping, Mapping):
                    raise self._invalid(
                        f'"{_MERGE}" takes an alias of a mapping, or a list of them', offset
                    )
                for name, entry in mapping.entries.items():
                    frame.entries.setdefault(name, entry)

    def _tag(self, tag: str | None, offset: int) -> str | None:
        if tag is None:
            return None
        name = _TAGS.get(tag)
        if name is None:
            shown = self._shown(quoted(tag.replace("tag:yaml.org,2002:", "!!")))
            hint = ", or quote a text that begins with !" if tag.startswith("!") else ""
            raise self._invalid(f"the tag {shown} is not supported; remove it{hint}", offset)
        return name

    def _tagged(self, node: Scalar, tag: str) -> Scalar:
        kind = _KIND_OF_TAG.get(tag)
        fits = kind is Kind.TEXT or (kind is not None and kind_of_plain(node.text) is kind)
        if kind is None or not fits:
            shown = self._shown(quoted(node.text))
            raise self._invalid(f"!!{tag} does not fit {shown}", node.offset)
        return msgspec.structs.replace(node, kind=kind)

    def _complex_key(self, offset: int) -> InvalidJob:
        # Of `{{ x }}` the second brace is the key; the place to show is the first.
        source = self._source
        start = offset - 1 if source.text[offset - 1 : offset + 1] == "{{" else offset
        hint = template_hint(source, start, self._path())
        return self._invalid(f"a key must be text, this is a list or a mapping{hint}", start)

    def _shown(self, text: str) -> str:
        """Return what the user wrote, unless its place says that it is a secret."""
        names = (step for step in self._path() if isinstance(step, str))
        return REDACTED if any(map(is_secret_name, names)) else text

    def _invalid(self, message: str, offset: int) -> InvalidJob:
        return self._source.invalid(message, offset=offset, path=self._path())

    def _path(self) -> Path:
        """Return where the composer is; the names of the open mappings' current keys."""
        steps: list[str | int] = []
        for frame in self._stack:
            if frame.items is not None:
                steps.append(len(frame.items))
            elif frame.key is not None:
                steps.append(frame.key.text)
        return tuple(steps)


def _offset(event: yaml.Event) -> int:
    assert event.start_mark is not None  # libyaml's events all have one
    return event.start_mark.index


def _noun(is_list: bool) -> str:
    return "a list" if is_list else "a mapping"
