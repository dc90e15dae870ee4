#!/usr/bin/env python3
"""The whole conversation, held by the official Python client (and once by fastmcp) with the real binary.

usage: conversation.py GALLEY

hearing (where the server has one) -> architecture -> findings -> mend -> plan -> approve -> status -> export (where there
is one) -> destroy -> approve -> delete, over HTTP and over stdio, in both protocol eras. Every structured answer is held
against the outputSchema of its tool, and a conversation has at most 25 calls. The client can ask a person, who is asked before
each approval; over HTTP the server is restarted in between, which the client must not notice.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import fastmcp
import jsonschema
import mcp.types
from fastmcp.client.transports import StreamableHttpTransport
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

MOST_CALLS = 25
TOKEN = "conversation-editor-token-0001"
MODERN = "2026-07-28"
ANSWERS = {
    "purpose": "Collect sensor data and show it",
    "users": "300 employees",
    "database_required": "Object storage is enough",
    "budget_constraints": "Always Free only",
}
NETWORK = {"id": "net", "service_type": "vcn", "display_name": "Platform", "config": {"cidr_block": "10.0.0.0/16"}}
INSIDE = {"source_id": "app", "target_id": "net", "connection_type": "deployed_in"}


def subnet(block):
    return {"id": "app", "service_type": "subnet", "display_name": "App", "config": {"cidr_block": block}}


class Conversation:
    """Counts calls and holds every answer against its schema."""

    def __init__(self, client, tools):
        self.client = client
        self.schemas = {tool.name: plain(tool).get("outputSchema") for tool in tools}
        self.calls = 0
        for tool in tools:
            shape = plain(tool)
            assert shape.get("outputSchema") and shape.get("annotations"), f"{tool.name}: outputSchema and annotations"
            for name, parameter in shape["inputSchema"].get("properties", {}).items():
                assert parameter.get("description"), f"{tool.name}.{name} has no description"

    def has(self, tool):
        return tool in self.schemas

    async def call(self, tool, **arguments):
        self.calls += 1
        result = plain(await self.ask(tool, arguments))
        if result.get("isError"):
            raise AssertionError(f"{tool}: {json.dumps(result.get('structuredContent') or result['content'])}")
        structured = result["structuredContent"]
        jsonschema.Draft202012Validator(self.schemas[tool]).validate(structured)
        assert result["content"] and result["content"][0]["text"], f"{tool}: a text for hosts without structured content"
        return structured

    async def ask(self, tool, arguments):
        if isinstance(self.client, fastmcp.Client):
            return await self.client.call_tool_mcp(tool, arguments)
        return await self.client.call_tool(tool, arguments)

    async def until(self, session, *reasons):
        """get_status until Ready has one of these reasons; a well-behaved host needs one or two calls."""
        arguments = {}
        for _ in range(6):
            status = await self.call("get_status", session_id=session, wait_seconds=50, **arguments)
            if status.get("ready_reason") in reasons:
                return status
            arguments = {"since": status["since"]}
        raise AssertionError(f"{reasons} is not reached: {json.dumps(status)}")


def plain(model):
    return model if isinstance(model, dict) else model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def hearing(talk, session):
    first = dict(list(ANSWERS.items())[:1])
    view = await talk.call("save_answers", session_id=session, answers=first)
    choices = {question["id"]: question.get("choices") for question in view["next_questions"]}
    rest = {id: ANSWERS.get(id) or (choices.get(id) or ["nothing in particular"])[0] for id in view["missing"]}
    view = await talk.call("save_answers", session_id=session, answers=rest)
    if view["missing"]:  # a choice that was not shown the first time
        choices = {question["id"]: question.get("choices") for question in view["next_questions"]}
        await talk.call("save_answers", session_id=session, answers={id: (choices.get(id) or ["none"])[0] for id in view["missing"]})
    done = await talk.call("complete_hearing", session_id=session)
    assert done["completed"] and done["requirements"], done


async def approved(talk, session, reason, between):
    status = await talk.until(session, "AwaitingApproval")
    plan = await talk.call("get_plan", session_id=session)
    assert plan["plan_sha256"] == status["plan"]["plan_sha256"], "the plan that waits is the plan that is shown"
    between()
    await talk.call("approve_plan", session_id=session, plan_sha256=plan["plan_sha256"], reason="a scripted person read it")
    await talk.until(session, reason)
    return plan


class Person:
    """Says yes, and counts how often."""

    def __init__(self):
        self.asked = 0

    async def answer(self, _, params):
        self.asked += 1
        assert params.message, "the plan in words"
        return mcp.types.ElicitResult(action="accept", content={"approve": True})


async def converse(client, tools, title, between=lambda: None):
    talk = Conversation(client, tools)
    session = (await talk.call("create_session", title=title, language="en", target="sandbox"))["session_id"]
    if talk.has("save_answers"):
        await hearing(talk, session)
    # a subnet outside its network: saved, with a finding that says where
    await talk.call("save_architecture", session_id=session, components=[NETWORK, subnet("10.9.0.0/24")], connections=[INSIDE])
    found = await talk.call("validate_architecture", session_id=session)
    assert "components[app]" in json.dumps(found), f"the finding names its place: {found}"
    edit = {"op": "configure", "id": "app", "config": {"cidr_block": "10.0.1.0/24"}}
    mended = await talk.call("edit_architecture", session_id=session, edits=[edit])
    assert not [finding for finding in mended.get("findings", {}).get("items", []) if finding.get("severity") == "error"], mended
    await talk.call("set_desired_state", session_id=session, desired_state="Applied")
    plan = await approved(talk, session, "Synced", between)
    assert plan["counts"]["create"] >= 2 and plan["counts"]["delete"] == 0, plan
    if talk.has("export"):
        exported = await talk.call("export", session_id=session, what="summary")
        assert "Platform" in json.dumps(exported), exported
    await talk.call("set_desired_state", session_id=session, desired_state="Destroyed")
    plan = await approved(talk, session, "Destroyed", between)
    assert plan["destroy"] and plan["counts"]["delete"] >= 2, plan
    await talk.call("delete_session", session_id=session, confirm=session)
    assert talk.calls <= MOST_CALLS, f"{talk.calls} calls"
    return talk.calls


def environment(data):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "GALLEY_DATA_DIR": str(data), "GALLEY_TOKEN": TOKEN, "GALLEY_LISTEN": "127.0.0.1:0"}


class Server:
    """A running `galley serve`, which can be restarted where it was."""

    def __init__(self, galley, folder):
        self.galley, self.folder, self.data = galley, pathlib.Path(folder), pathlib.Path(folder) / "data"
        self.listen = "127.0.0.1:0"

    def start(self):
        with open(self.folder / "serve.log", "ab") as log:
            environ = {**environment(self.data), "GALLEY_LISTEN": self.listen}
            self.process = subprocess.Popen([self.galley, "serve"], env=environ, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not (self.data / "server.json").exists():
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "serve.log").read_text()
            time.sleep(0.05)
        self.base = json.loads((self.data / "server.json").read_text())["baseUrl"]
        self.listen = self.base.removeprefix("http://")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def restart(self):
        self.stop()
        self.start()


@contextlib.contextmanager
def server(galley, folder):
    """A running server for as long as the block."""
    running = Server(galley, folder)
    running.start()
    try:
        yield running
    finally:
        running.stop()


async def over_http(running, mode):
    person = Person()
    async with create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        transport = streamable_http_client(f"{running.base}/mcp", http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=person.answer) as client:
            tools = (await client.list_tools()).tools
            calls = await converse(client, tools, f"python, http, {mode}", running.restart)
    assert person.asked == 2, f"asked {person.asked} times before two approvals"
    return calls


async def over_stdio(galley, folder, mode):
    person = Person()
    parameters = StdioServerParameters(command=galley, args=["mcp"], env=environment(pathlib.Path(folder) / "data"))
    async with Client(parameters, mode=mode, elicitation_callback=person.answer) as client:
        calls = await converse(client, (await client.list_tools()).tools, f"python, stdio, {mode}")
    assert person.asked == 2, f"asked {person.asked} times before two approvals"
    return calls


async def with_fastmcp(running):
    transport = StreamableHttpTransport(f"{running.base}/mcp", headers={"Authorization": f"Bearer {TOKEN}"})
    async with fastmcp.Client(transport) as client:
        return await converse(client, await client.list_tools(), "fastmcp, http")


async def main(galley):
    with tempfile.TemporaryDirectory(prefix="gly") as folder, server(galley, folder) as running:
        for mode in ("legacy", MODERN):
            print(f"python mcp client, HTTP, {mode}: {await over_http(running, mode)} calls, the server restarted twice", flush=True)
        print(f"fastmcp, HTTP: {await with_fastmcp(running)} calls", flush=True)
    for mode in ("legacy", MODERN):
        with tempfile.TemporaryDirectory(prefix="gly") as folder:
            print(f"python mcp client, stdio, {mode}: {await over_stdio(galley, folder, mode)} calls", flush=True)


if __name__ == "__main__":
    asyncio.run(main(str(pathlib.Path(sys.argv[1]).resolve())))
