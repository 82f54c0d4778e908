"""The quiz as a simulation: a question, an answer, and what is to be said of it."""

from __future__ import annotations

from trainwright.lab.controls import choice, claim, fact, preset
from trainwright.lab.quizzes import QUESTIONS
from trainwright.lab.schema import Result, Simulation, Step, Table, Values, Verdict

_LETTERS = "abcd"
_OF = {str(question.chapter): question for question in QUESTIONS}


def run(values: Values) -> Result:
    """Judge an answer; without one, show the question."""
    question, letter = _OF[str(values["chapter"])], str(values["answer"])
    options = dict(zip(_LETTERS, question.answers, strict=True))
    chosen = options.get(letter)
    if chosen is None:
        verdict = Verdict(sign="note", text=question.question)
    else:
        verdict = Verdict(sign="healthy" if chosen.right else "warning", text=chosen.feedback)
    steps = (
        ()
        if chosen is None or chosen.link is None
        else (Step(title="see it", text=chosen.feedback, links=(chosen.link,)),)
    )
    return Result(
        verdict=verdict,
        tables=(
            Table(
                title=question.question,
                columns=("", "answer"),
                rows=tuple((each, option.text) for each, option in options.items()),
                signs=tuple(
                    None if each != letter else ("healthy" if option.right else "warning")
                    for each, option in options.items()
                ),
            ),
        ),
        steps=steps,
        evidence=(
            fact("chapter", question.chapter),
            fact("answered", "not yet" if chosen is None else letter),
            *(() if chosen is None else (fact("right", chosen.right),)),
        ),
        python=f"""from trainwright.lab.quizzes import QUESTIONS

question = next(each for each in QUESTIONS if each.chapter == {question.chapter})
print(question.question, *(answer.text for answer in question.answers), sep="\\n")
""",
    )


SIMULATION = Simulation(
    name="quiz",
    number=15,
    title="Nine questions",
    guide="G2, chapters 0 to 6, 8 and 9",
    teaches="A wrong answer is worth most where one can see why: each opens the simulation that refutes it.",
    parameters=(
        choice("chapter", "Chapter", "0", {str(each.chapter): f"chapter {each.chapter}" for each in QUESTIONS}),
        choice("answer", "Answer", "none", {"none": "not yet", **{letter: letter for letter in _LETTERS}}, tabs=True),
    ),
    run=run,
    presets=tuple(preset(f"chapter-{each.chapter}", each.question, chapter=str(each.chapter)) for each in QUESTIONS),
    claims=(
        claim(
            "Momentum solves SGD's swinging across narrow valleys.",
            "G2, chapter 5",
            lambda result: result["right"],
            {"chapter": "5", "answer": "c"},
        ),
    ),
)
