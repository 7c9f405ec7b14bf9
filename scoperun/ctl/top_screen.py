"""`scopectl top` on a terminal: the keys, the bottom line, and a round of numbers at each interval."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding
from textual.widgets import Input, Static

from scoperun.console.field_names import in_options
from scoperun.ctl.ordering import Key, View, arranged
from scoperun.ctl.top_actions import Action, plan
from scoperun.ctl.top_table import UnitTable
from scoperun.ctl.top_texts import ACTIONS, HELP, HINT, SORTED_BY, summary
from scoperun.errors import ScoperunError
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual import events
    from textual.app import ComposeResult

    from scoperun.ctl.rounds import Rounds
    from scoperun.ctl.sampling import Round, Usage
    from scoperun.ctl.session import Session
    from scoperun.ctl.top_actions import Plan

_PATIENCE = 0.3
"""Seconds in which systemd has to say what new units run, before they are shown without it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the line of input is for: a filter, or with a usage the new limit of that unit."""

    usage: Usage | None


class TopApp(App[int]):
    """The table. It is left with the number of the signal that ended it, or None."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar = [
        Binding("ctrl+c", "quit", priority=True, show=False),
        Binding("ctrl+q", "quit", priority=True, show=False),
        Binding("ctrl+z", "suspend_process", priority=True, show=False),
    ]
    CSS = """
    Static { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    #help { height: 1fr; display: none; }
    Input { height: 1; border: none; padding: 0; display: none; }
    Input:focus { border: none; }
    """

    def __init__(self, rounds: Rounds, session: Session, view: View, delay: float) -> None:
        """Take where rounds come from, the manager for actions, what to show first, and seconds between rounds."""
        super().__init__(ansi_color=True)
        self.failure: Exception | None = None
        self._rounds = rounds
        self._session = session
        self._view = view
        self._delay = delay
        self._last: Round | None = None
        self._plan: Plan | None = None
        self._wanted = 0  # counts what was asked for: a question appears only if nothing was pressed since
        self._asked: _Asked | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._summary = Static(id="summary", markup=False)
        self._table = UnitTable()
        self._help = Static(HELP, id="help", markup=False)
        self._bottom = Static(HINT, id="bottom", markup=False)
        self._line = Input(compact=True, select_on_focus=False)

    def compose(self) -> ComposeResult:
        """Make the lines: the summary, the table, and what can be done."""
        yield self._summary
        yield self._table
        yield self._help
        yield self._bottom
        yield self._line

    def on_mount(self) -> None:
        """Begin to take rounds."""
        self._in_background(self._take_rounds())

    def on_unmount(self) -> None:
        """Take no more rounds."""
        for task in self._tasks:
            task.cancel()

    async def _take_rounds(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._show(await self._rounds.next(_PATIENCE))
            due = max(due + self._delay, loop.time())
            await asyncio.sleep(due - loop.time())

    def _show(self, taken: Round) -> None:
        self._last = taken
        self._table.note(taken)
        self._arrange()

    def _arrange(self) -> None:
        if self._last is not None:
            lines = arranged(self._last, self._view)
            self._table.show(lines)
            _put(self._summary, summary(self._last, self._view, self._rounds.trouble))

    def on_key(self, event: events.Key) -> None:
        """Do what a key means; while a question is open, only y is a yes."""
        if self._asked is not None:
            self._edit(event)
            return
        if self._plan is not None:
            self._answer(is_yes=event.character in {"y", "Y"})
        elif self._help.display or event.character in {"?", "h"}:
            self._turn_help(not self._help.display)
        else:
            self._say(HINT)
            self._press(event.character or "", event.key)

    def _edit(self, event: events.Key) -> None:
        """Take a key that came so soon after the one that opened the line of input that it did not go there."""
        if event.key == "escape":
            self._leave_input()
        elif event.key == "enter":
            self._submit()
        elif event.is_printable and event.character:
            self._line.insert_text_at_cursor(event.character)

    def _press(self, character: str, key: str) -> None:
        table = self._table
        keys: dict[str, Callable[[], object]] = {
            "q": self.exit,
            "/": lambda: self._ask(_Asked(None), self._view.words),
            "r": lambda: self._change(is_reversed=not self._view.is_reversed),
            "T": lambda: self._change(is_tree=not self._view.is_tree),
            "escape": lambda: self._change(words=""),
            "up": lambda: table.move(-1),
            "k": lambda: table.move(-1),
            "down": lambda: table.move(1),
            "j": lambda: table.move(1),
            "pageup": lambda: table.move(-table.page),
            "pagedown": lambda: table.move(table.page),
            "home": lambda: table.move(-len(table.lines)),
            "end": lambda: table.move(len(table.lines)),
        }
        if character in SORTED_BY:
            keys[character] = lambda: self._change(key=SORTED_BY[character])
        elif character in ACTIONS and (selected := table.selected) is not None:
            keys[character] = lambda: self._begin(ACTIONS[character], selected)
        does = keys.get(character) or keys.get(key)
        if does is not None:
            self._wanted += 1
            does()

    def _change(
        self,
        *,
        key: Key | None = None,
        is_reversed: bool | None = None,
        is_tree: bool | None = None,
        words: str | None = None,
    ) -> None:
        """Show the last round in another way."""
        view = self._view
        self._view = View(
            key=view.key if key is None else key,
            is_reversed=view.is_reversed if is_reversed is None else is_reversed,
            is_tree=view.is_tree if is_tree is None else is_tree,
            words=view.words if words is None else words,
        )
        self._arrange()

    def _begin(self, action: Action, usage: Usage) -> None:
        if action is Action.LIMIT:
            self._ask(_Asked(usage), "")
        else:
            self._in_background(self._prepare(action, usage, ""))

    async def _prepare(self, action: Action, usage: Usage, limit: str) -> None:
        """Ask the question about an action."""
        wanted = self._wanted
        try:
            prepared = await plan(action, usage, self._rounds.sampler, self._session.manager, limit=limit)
        except ScoperunError as error:
            self._tell(in_options(str(error)))
            return
        if wanted == self._wanted:
            self._plan = prepared
            self._say(f"y: {prepared.question}")

    def _answer(self, *, is_yes: bool) -> None:
        asked, self._plan = self._plan, None
        if is_yes and asked is not None:
            self._say(f"{asked.usage.unit}: {asked.action} ...")
            self._in_background(self._act(asked))
        else:
            self._say("nothing was done")

    async def _act(self, decided: Plan) -> None:
        try:
            self._tell(await decided.done())
        except ScoperunError as error:
            self._tell(in_options(str(error)))

    def _ask(self, asked: _Asked, text: str) -> None:
        """Put a line of input in place of the bottom line."""
        self._asked = asked
        what = "filter" if asked.usage is None else f"MemoryMax= of {asked.usage.unit}, e.g. 20M or infinity"
        self._line.placeholder = one_line(what)
        self._line.value = text
        self._line.cursor_position = len(text)
        self._line.display = True
        self._bottom.display = False
        self.set_focus(self._line)  # at once: the next key can be there already

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        if self._asked is not None and self._asked.usage is None:
            self._change(words=event.value)

    def on_input_submitted(self) -> None:
        """Take the line of input."""
        self._submit()

    def _submit(self) -> None:
        asked, text = self._asked, self._line.value
        if asked is None:
            return
        self._leave_input()
        if asked.usage is None:  # what was typed just before is not known to be a change yet
            self._change(words=text)
        elif text.strip():
            self._in_background(self._prepare(Action.LIMIT, asked.usage, text))

    def _leave_input(self) -> None:
        self._asked = None
        self.set_focus(None)
        self._line.display = False
        self._bottom.display = True
        self._say(HINT)

    def _turn_help(self, is_shown: bool) -> None:
        self._help.display = is_shown
        self._table.display = not is_shown

    def _say(self, text: str) -> None:
        """Change the bottom line."""
        _put(self._bottom, text)

    def _tell(self, text: str) -> None:
        """Say what has happened, behind the question if one is open: it must stay visible as long as y answers it."""
        self._say(text if self._plan is None else f"y: {self._plan.question}; {text}")

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside the keys; an error that is not expected closes the table."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._has_ended)

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or (error if isinstance(error, Exception) else RuntimeError(repr(error)))
        self.exit()

    def _fatal_error(self) -> None:
        """Keep an error from a handler for `show`, in place of textual's pages about it."""
        self.failure = self.failure or self._exception
        self._close_messages_no_wait()


def _put(line: Static, text: str) -> None:
    """Change a line if its text is another; the text can have parts from strangers."""
    safe = one_line(text)
    if line.content != safe:
        line.update(safe)
