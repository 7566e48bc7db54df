"""What the small Hub of the tests answers: the endpoints that `huggingface_hub` uses to publish and to download."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml

from tests.support.hub.http import Handler
from tests.support.hub.repositories import HubError, Repository, describe, git_blob_id, new_repository, now

REPOSITORY = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", "who_am_i"),
    ("GET", r"/api/agent-harnesses", "no_harnesses"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", rf"/api/models/{REPOSITORY}(/revision/(?P<revision>[^/]+))?", "about"),
    ("GET", rf"/api/models/{REPOSITORY}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?", "tree"),
    ("POST", rf"/api/models/{REPOSITORY}/paths-info/(?P<revision>[^/]+)", "paths_info"),
    ("POST", rf"/api/models/{REPOSITORY}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"/api/models/{REPOSITORY}/commit/(?P<revision>[^/]+)", "commit"),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/batch", "large_batch"),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/verify", "large_verify"),
    ("GET", rf"/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "resolve"),
    ("PUT", rf"/storage/{REPOSITORY}/(?P<oid>[0-9a-f]{{64}})/", "store"),
    ("GET", rf"/storage/{REPOSITORY}/(?P<oid>[0-9a-f]{{64}})/(?P<file>.+)", "fetch"),
]


class ApiHandler(Handler):
    """A method an endpoint; groups of its route are its arguments."""

    def answer(self, method: str, path: str, query: dict[str, list[str]]) -> None:
        self.query = query
        for verb, pattern, name in ROUTES:
            if (method == verb or (method, verb) == ("HEAD", "GET")) and (match := re.fullmatch(pattern, path)):
                # Only the API's port knows accounts.
                self.account = None if path.startswith("/storage/") else self.hub.account(self.token)
                return getattr(self, name)(**{key: unquote(value or "") for key, value in match.groupdict().items()})
        raise HubError(404, f"Sorry, we can't find the page you are looking for: {method} {path}")

    def who_am_i(self) -> None:
        if self.account is None:
            raise HubError(401, "Invalid username or password.")
        organizations = [{"name": name, "type": "org"} for name in self.account.organizations]
        self.send_json({"type": "user", "name": self.account.name, "orgs": organizations})

    def no_harnesses(self) -> None:
        self.send_json({})

    def create(self) -> None:
        asked = self.json()
        if self.account is None:
            raise HubError(401, "Invalid username or password.")
        namespace = asked.get("organization") or self.account.name
        name = f"{namespace}/{asked['name']}"
        url = f"{self.hub.url}/{name}"
        if namespace not in (self.account.name, *self.account.organizations) or not self.account.writes:
            raise HubError(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
        with self.hub.lock:
            if name in self.hub.repositories:
                message = "You already created this model repo"
                return self.send_json({"error": message, "url": url}, 409, {"X-Error-Message": message})
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.hub.repositories[name] = new_repository(name, private)
        return self.send_json({"url": url, "name": name, "id": name})

    def validate(self) -> None:
        """The card's front matter, as strictly as the Hub where a card of ours could go wrong."""
        match = re.match(r"---\n(.*?)\n---\n", self.json()["content"], re.DOTALL)
        try:
            fields = yaml.safe_load(match[1]) if match else {}
        except yaml.YAMLError as error:
            return self.send_json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        errors = [
            f'"{key}" must be a list' for key in ("tags", "datasets") if not isinstance(fields.get(key, []), list)
        ]
        if not re.fullmatch(r"[a-z0-9.-]+", str(fields.get("license", "other"))):
            errors.append('"license" must be one of the Hub\'s identifiers')
        for model in fields.get("model-index") or []:
            for result in model["results"]:
                if not (result.get("task", {}).get("type") and result.get("dataset", {}).get("type")):
                    errors.append('"model-index[0].results[0].dataset.type" is required')
        warnings = [] if match else [{"message": "empty or missing yaml metadata in repo card"}]
        told = {"errors": [{"message": message} for message in errors], "warnings": warnings}
        return self.send_json(told, 400 if errors else 200)

    def about(self, repo: str, revision: str) -> None:
        repository = self.hub.readable(repo, self.account)
        commit = repository.at(revision or "main")
        files = []
        for name in sorted(commit.files):
            facts = describe(repository, commit, name)
            files.append({"rfilename": name})
            if "blobs" in self.query:
                files[-1] |= {"size": facts["size"], "blobId": facts["oid"]}
                if isinstance(large := facts.get("lfs"), dict):
                    files[-1]["lfs"] = {**large, "sha256": large["oid"]}
        told = {"id": repo, "modelId": repo, "author": repository.namespace, "sha": commit.id, "siblings": files}
        gated = "auto" if repository.gated else False
        self.send_json(told | {"private": repository.private, "gated": gated, "tags": [], "lastModified": now()})

    def tree(self, repo: str, revision: str, folder: str) -> None:
        repository = self.hub.open_to_read(repo, self.account)
        commit = repository.at(revision)
        below = f"{folder}/" if folder else ""
        found = [name for name in sorted(commit.files) if name.startswith(below)]
        if folder and not found:
            raise HubError(404, f"{folder} does not exist on {revision}", "EntryNotFound")
        if self.query.get("recursive", ["false"])[0].lower() != "true":
            found = [name for name in found if "/" not in name.removeprefix(below)]
        self.send_json([describe(repository, commit, name) for name in found])

    def paths_info(self, repo: str, revision: str) -> None:
        repository = self.hub.readable(repo, self.account)
        commit = repository.at(revision)
        is_json = "json" in self.headers.get("Content-Type", "")
        asked = self.json()["paths"] if is_json else parse_qs(self.body.decode()).get("paths", [])
        self.send_json([describe(repository, commit, name) for name in asked if name in commit.files])

    def preupload(self, repo: str, revision: str) -> None:
        repository = self.hub.writable(repo, self.account)
        commit = repository.at(revision)
        told: list[dict[str, Any]] = []
        for file in self.json()["files"]:
            name, sample = file["path"], base64.b64decode(file["sample"])
            large = repository.is_large(name, file["size"], sample, commit.files)
            told.append({"path": name, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False})
            if (content := commit.files.get(name)) is not None:
                told[-1]["oid"] = hashlib.sha256(content).hexdigest() if large else git_blob_id(content)
        self.send_json({"files": told, "commitOid": commit.id})

    def large_batch(self, repo: str) -> None:
        repository = self.hub.writable(repo, self.account)
        objects = []
        for asked in self.json()["objects"]:
            objects.append({"oid": asked["oid"], "size": asked["size"]})
            if asked["oid"] not in repository.objects:
                verify = {"href": f"{self.hub.url}/{repo}.git/info/lfs/objects/verify"}
                objects[-1]["actions"] = {"upload": {"href": self.hub.signed(repo, asked["oid"])}, "verify": verify}
        self.send_json({"transfer": "basic", "objects": objects})

    def store(self, repo: str, oid: str) -> None:
        self._check_storage_request(oid)
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, "The content does not match its checksum")
        with self.hub.lock:
            self.hub.repositories[repo].objects[oid] = self.body
        self.send_json({})

    def large_verify(self, repo: str) -> None:
        repository, asked = self.hub.writable(repo, self.account), self.json()
        if len(repository.objects.get(asked["oid"], b"")) != asked["size"]:
            raise HubError(404, "Object does not exist")
        self.send_json({})

    def commit(self, repo: str, revision: str) -> None:
        with self.hub.lock:
            repository = self.hub.writable(repo, self.account)
            if revision not in repository.branches:
                raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            lines = [json.loads(line) for line in self.body.splitlines()]
            header = lines[0]["value"]
            if header.get("parentCommit", repository.branches[revision]) != repository.branches[revision]:
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            changes = {line["value"]["path"]: _committed(repository, line) for line in lines[1:]}
            made = repository.commit(header["summary"], changes, revision)
        url = f"{self.hub.url}/{repo}/commit/{made.id}"
        self.send_json({"success": True, "commitOid": made.id, "commitUrl": url, "hookOutput": ""})

    def resolve(self, repo: str, revision: str, file: str) -> None:
        repository = self.hub.open_to_read(repo, self.account)
        commit = repository.at(revision)
        headers = {"X-Repo-Commit": commit.id}
        if file not in commit.files:
            told = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return self.send_json({"error": "Entry not found"}, 404, headers | told)
        content = commit.files[file]
        if not repository.keeps_large(commit, file):
            return self.send_file(f"{repo}/{file}", content, headers | {"ETag": f'"{git_blob_id(content)}"'})
        oid = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        return self.send_json({}, 302, headers | linked | {"Location": self.hub.signed(repo, oid, file)})

    def fetch(self, repo: str, oid: str, file: str) -> None:
        self._check_storage_request(oid)
        content = self.hub.repositories[repo].objects.get(oid)
        if content is None:
            raise HubError(404, "No such object")
        self.send_file(f"{repo}/{file}", content, {"ETag": f'"{oid}"'})

    def _check_storage_request(self, oid: str) -> None:
        if self.token is not None:
            raise HubError(400, "A token of the Hub has no business here")
        if self.query.get("signature") != [self.hub.signature(oid)]:
            raise HubError(403, "The signature is not valid")


def _committed(repository: Repository, line: dict[str, Any]) -> bytes | None:
    value = line["value"]
    if line["key"] == "file":
        return base64.b64decode(value["content"])
    if line["key"] == "lfsFile":
        if value["oid"] not in repository.objects:
            raise HubError(400, f"The object of {value['path']} was never uploaded")
        return repository.objects[value["oid"]]
    if line["key"] == "deletedFile":
        return None
    raise HubError(400, f"Unknown operation: {line['key']}")
