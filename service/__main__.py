"""The command line: ``cementwatch``. A command is loaded when it is called; all are known by name and one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from service.safety import SAFETY_WORDS


class Elsewhere(click.Command):
    """Stands for a command in lists and completions. ``place``: the module that holds it, and its name there."""

    def __init__(self, name: str, place: str, words: str = "", *, hidden: bool = False) -> None:
        super().__init__(name, help=words, hidden=hidden)
        self.place = place

    def load(self) -> click.Command:
        """The command itself."""
        module, _, word = self.place.partition(":")
        return cast("click.Command", getattr(import_module(module), word))


class Commands(click.Group):
    """A group whose commands stand elsewhere. Roles start with what they need, and ``--help`` with nothing."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As the group does it, and the command loaded: what is parsed, completed and explained next is its own."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Elsewhere) else command, rest


COMMANDS = (
    Elsewhere("all", "service.running:run_all", "Run and supervise all roles on this machine."),
    Elsewhere(
        "audit-table",
        "service.clinical.command:audit_table",
        "Check whether the numbers of a published summary (TOML) hold together; exit 1 when one is flagged.",
    ),
    Elsewhere(
        "batch",
        "service.batch:batch",
        "Judge the studies of an Orthanc again, several at a time, and print one line of result for each.",
    ),
    Elsewhere(
        "check",
        "service.asking:check_settings",
        "Say in words what is wrong with the settings, and ask each peer for a C-ECHO; exit 1 when something is.",
    ),
    Elsewhere(
        "cohort",
        "service.clinical.command:cohort",
        "Print the tables that a page of questions (TOML) asks for, as Markdown.",
    ),
    Elsewhere(
        "compare",
        "service.rejudging:compare_journals",
        "Say in words what journal B says otherwise than journal A of the same recording; exit 1 when it does.",
    ),
    Elsewhere(
        "demo",
        "service.playing:demo",
        "Play two phantom procedures through the whole system and report what it made of them.",
    ),
    Elsewhere("echo", "service.asking:echo_receiver", "Ask the receiver of these settings for a C-ECHO."),
    Elsewhere(
        "export", "service.recordings:export", "Print the journal as JSON lines, or write a procedure into a folder."
    ),
    Elsewhere(
        "export-records",
        "service.clinical.command:export_records",
        "Write every kind of record as a CSV file, with the dictionary of all columns.",
    ),
    Elsewhere(
        "export-redcap",
        "service.clinical.command:export_redcap",
        "Write the record as a REDCap project: the data dictionary to build it from, and the records to import there.",
    ),
    Elsewhere(
        "fhir",
        "service.recordings:write_bundle",
        "Write a procedure as a transaction of FHIR R4 with the patient as the images name them, or send it; docs/fhir.md.",
    ),
    Elsewhere("forward", "service.running:forward", "Forward every stored object to the archives of the settings."),
    Elsewhere(
        "import-records",
        "service.clinical.command:import_records",
        "Take records from CSV files named as the export names them (patients.csv, ...): all files or nothing.",
    ),
    Elsewhere(
        "import-redcap",
        "service.clinical.command:import_redcap",
        "Take records from a REDCap project's raw CSV export: all of it or nothing.",
    ),
    Elsewhere(
        "mirror",
        "service.running:mirror",
        "Tell webhook, MQTT broker and HL7 receiver of alerts, as far as they are set.",
    ),
    Elsewhere(
        "phantom", "service.playing:phantom", "Write a phantom procedure as DICOM objects, with the truth beside them."
    ),
    Elsewhere(
        "play-replay", "service.running:play_replay", "Send one queued replay; started by the HTTP role.", hidden=True
    ),
    Elsewhere("receive", "service.running:receive", "Receive DICOM objects into the spool."),
    Elsewhere(
        "replay",
        "service.rejudging:replay",
        "Judge a recording again, by the code that runs live, and print its journal as JSON lines.",
    ),
    Elsewhere(
        "results",
        "service.recordings:make_objects",
        "Write the findings of a procedure as DICOM objects, and queue them for the archives; twice is once.",
    ),
    Elsewhere(
        "score",
        "service.score.command:score_sets",
        "Play phantom scenes through the detection and hold what it says against the truth.",
    ),
    Elsewhere(
        "send",
        "service.playing:send_objects",
        "Play a phantom, a folder or an Orthanc study over C-STORE at its original pace.",
    ),
    Elsewhere("serve", "service.running:serve", "Serve alerts, logs and the page over HTTP."),
    Elsewhere(
        "simulate-records",
        "service.clinical.command:simulate_records",
        "Make patients who fit a published summary (TOML), as CSV files to import; exit 1 where none can.",
    ),
    Elsewhere("token", "service.accounts:token", "Programs that may ask."),
    Elsewhere("user", "service.accounts:user", "People who may sign in."),
    Elsewhere(
        "verify", "service.asking:verify", "Check that no line of the journal was altered, removed or reordered."
    ),
    Elsewhere("watch", "service.running:watch", "Judge what the spool holds and write the journal."),
)
"""By name. Each sentence is the first one of the command's own help."""


@click.group(
    cls=Commands,
    commands=COMMANDS,
    epilog=SAFETY_WORDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def main(context: click.Context) -> None:
    """Watch the fluoroscopy of a vertebroplasty for bone cement that leaks."""
    if context.resilient_parsing:
        return
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        context.obj = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise click.ClickException(f"settings: {wrong}") from None


if __name__ == "__main__":
    main(prog_name="cementwatch")
