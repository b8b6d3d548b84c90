"""The template language: what it fills, and where it says that something is wrong."""

from __future__ import annotations

import unittest

from templating import TemplateError, fill, names_of

VALUES = {
    "name": "Wörld",
    "port": 8080,
    "tls": False,
    "empty": "",
    "hosts": ["a", "b"],
    "server": {"root": "/srv"},
    "env": [{"key": "A", "of": 1}],
}


class FillTest(unittest.TestCase):
    def test_what_is_filled(self) -> None:
        filled = {
            "Hello {{ name }}!": "Hello Wörld!",
            "{{port}} {{ server.root }} {{ tls }}": "8080 /srv false",
            "{{ name | json }} {{ hosts | json }} {{ name | upper | lower }}": '"Wörld" ["a", "b"] wörld',
            "{{ hosts | length }} {{ hosts | lines }}": "2 a\nb",
            "{% if tls %}s{% elif port == 8080 %}8{% else %}p{% end %}": "8",
            '{% if not tls %}{% if name == "Wörld" %}y{% end %}{% end %}': "y",
            "{% if port != 8080 %}n{% end %}": "",
            "a\n{% for host in hosts %}\n- {{ host }}\n{% end %}\nb\n": "a\n- a\n- b\nb\n",
            "a\n  {# gone #}\nb {# stays in its line #}\n": "a\nb \n",
            "{% for one in env %}{{ one.key }}={{ one.of }}{% end %}": "A=1",
            "{ % } }} #}": "{ % } }} #}",
            "": "",
        }
        for template, expected in filled.items():
            with self.subTest(template):
                self.assertEqual(fill(template, VALUES), expected)

    def test_what_is_wrong_is_told_with_its_place(self) -> None:
        wrong = {
            "a\n  {{ nme }}": "2:3: there is no value nme: there is empty, env, hosts, name, port, server, tls",
            "{{ server.port }}": "1:1: there is no value server.port: there is root",
            "{{ name.first }}": "1:1: there is no value name.first: there is no names at all",
            "x {{ name": "1:3: {{ is never closed",
            "x\n\n {% if tls %}": "3:2: {% if tls %} is never ended",
            "{% end %}": "1:1: {% end %} closes nothing",
            "{% if tls %}{% else %}{% else %}{% end %}": "1:23: {% else %} does not fit here",
            "{% for in hosts %}{% end %}": "1:1: expected {% for NAME in NAME %}",
            "{% for a in name %}{% end %}": '1:1: name is no list, it is "Wörld"',
            "{% while tls %}": "1:1: {% while tls %} is no tag: there are if, elif, else, for and end",
            "{{ name | shout }}": "1:1: shout is no filter: there are json, upper, lower, lines, length",
            "{{ port | length }}": "1:1: port is 8080, which length cannot take",
            "{{ hosts }}": '1:1: hosts is ["a", "b"]: write `| json`, or a loop',
            "{{ 1 + 1 }}": "1:1: expected a name, found '1 + 1'",
            "{% if port > 1 %}{% end %}": "1:1: expected a name, `not` a name, or name == \"text\", found 'port > 1'",
            "{% if tls %}" * 51: "1:601: more than 50 blocks in one another",
        }
        for template, message in wrong.items():
            with self.subTest(template), self.assertRaises(TemplateError) as caught:
                fill(template, VALUES)
            self.assertEqual(str(caught.exception), message)

    def test_a_filled_template_has_an_end(self) -> None:
        template = "{% for a in many %}{% for b in many %}{{ text }}{% end %}{% end %}"
        with self.assertRaisesRegex(TemplateError, "longer than 4 MiB"):
            fill(template, {"many": ["x"] * 1000, "text": "x" * 1000})

    def test_names_are_those_that_must_be_given(self) -> None:
        template = '{% for host in hosts %}{{ host.name }}{{ port }}{% if mode == "a" %}{% elif not b.c %}{% end %}{% end %}'
        self.assertEqual(names_of(template), {"hosts", "port", "mode", "b"})


if __name__ == "__main__":
    unittest.main()
