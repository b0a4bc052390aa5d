"""The reader of documents on small documents of its own: what it runs, what it compares and what it refuses."""

from pathlib import Path

import pytest

from tests.support.documents import Block, blocks, commands, make_targets, missing_options, run_python, unknown_extras

SAMPLE = """\
# Sample

```python
import asyncio

total = 1
print(total + 1)  # 2
```

Prose between the blocks.

```python
await asyncio.sleep(0)
total += 1
```

<!-- python
assert total == 2
-->

1. In a list:

   ```console
   $ ORBDO_API_KEY=secret orbdo serve --port 9000  # on another port
   listening on 9000
   $ make test \\
       PYTEST_OPTIONS=-x
   ```
"""


def console(text: str) -> Block:
    """A console block."""
    return Block(document="sample.md", line=1, language="console", text=text)


def python(text: str) -> Block:
    """A Python block."""
    return Block(document="sample.md", line=4, language="python", text=text)


def test_blocks_are_found_in_their_order() -> None:
    """Shown, hidden and indented blocks are found with the line they begin on."""
    found = [(block.language, block.line) for block in blocks("sample.md", SAMPLE)]
    assert found == [("python", 4), ("python", 13), ("python", 18), ("console", 24)]


def test_a_block_without_a_language_has_an_empty_one() -> None:
    """A bare fence is found too, so that it can be refused."""
    assert [block.language for block in blocks("sample.md", "```\nls\n```\n")] == [""]


def test_a_longer_fence_shows_a_shorter_one() -> None:
    """A block that shows how a block is written is one block."""
    found = list(blocks("sample.md", "````text\n```python\nboom\n```\n````\n"))
    assert [(block.language, block.text) for block in found] == [("text", "```python\nboom\n```\n")]


def test_python_runs_in_one_namespace() -> None:
    """A later block sees what an earlier one left, awaits in the same loop, and hidden blocks assert."""
    shown = [block for block in blocks("sample.md", SAMPLE) if block.language == "python"]
    assert run_python(shown)["total"] == 2


def test_an_await_sees_the_loop_of_the_block_before() -> None:
    """What belongs to an event loop can be used by the next block."""
    first = python(
        "import asyncio\ntask = asyncio.get_running_loop().create_task(asyncio.sleep(0, 7))\nawait asyncio.sleep(0)"
    )
    assert run_python([first, python("number = await task")])["number"] == 7


def test_a_hidden_block_that_fails_is_seen() -> None:
    """A claim that does not hold fails with the document and the line."""
    shown = [block for block in blocks("sample.md", SAMPLE.replace("== 2", "== 3")) if block.language == "python"]
    with pytest.raises(AssertionError) as failure:
        run_python(shown)
    assert (Path(failure.traceback[-1].path).name, failure.traceback[-1].lineno + 1) == ("sample.md", 18)


def test_a_wrong_output_is_seen() -> None:
    """What a document says a line prints is compared with what it prints."""
    with pytest.raises(AssertionError, match=r"sample\.md:4 printed:\n2"):
        run_python([python("print(1 + 1)  # 3")])


def test_classes_of_a_document_belong_to_a_module() -> None:
    """A data class with annotations in quotes works as it does in a file."""
    text = "from dataclasses import dataclass\n@dataclass\nclass Event:\n    tokens: 'int' = 3\ntokens = Event().tokens"
    assert run_python([python(text)])["tokens"] == 3


def test_the_shown_address_becomes_the_real_one() -> None:
    """A document shows the default address and is run against the server of the test."""
    namespace = run_python([python("url = 'http://127.0.0.1:8400/readyz'")], server_url="http://127.0.0.1:1")
    assert namespace["url"] == "http://127.0.0.1:1/readyz"


def test_commands_are_read_as_a_shell_does() -> None:
    """Settings before a command, comments, continued lines and output are told apart from the command."""
    block = list(blocks("sample.md", SAMPLE))[-1]
    assert list(commands(block)) == [
        ["orbdo", "serve", "--port", "9000"],
        ["make", "test", "PYTEST_OPTIONS=-x"],
    ]


def test_a_prompt_without_a_command_is_refused() -> None:
    """A line that only sets a variable is no command that a reader can run."""
    with pytest.raises(AssertionError, match="shows no command"):
        list(commands(console("$ ORBDO_API_KEY=secret\n")))


def test_an_unknown_option_is_seen() -> None:
    """An option has to be in the help by its whole name."""
    words = ["orbdo", "serve", "--port=9000", "--dat", "x", "--tls"]
    assert missing_options(words, "--data DIR  --port NUMBER") == ["--dat", "--tls"]


def test_an_unknown_extra_is_seen() -> None:
    """Each extra that is named has to exist; other packages are not ours."""
    words = ["orbdo[server,mysql]", "orbdo", "httpx[http2]"]
    assert unknown_extras(words, {"server": []}) == ["mysql"]


def test_make_targets_are_those_declared(tmp_path: Path) -> None:
    """The targets are read from every declaration of phony ones."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(".PHONY: demo test\n.PHONY: bench\nfile: other\n", encoding="utf-8")
    assert make_targets(makefile) == {"demo", "test", "bench"}
