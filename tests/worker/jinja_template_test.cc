#include "worker/parsing/jinja_template.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <string_view>

namespace scanengine {
namespace {

Severity Worst(std::string_view text) {
  Severity worst = Severity::kInfo;
  for (const TemplateSighting& sighting : InspectTemplate(text)) {
    worst = std::max(worst, sighting.severity);
  }
  return worst;
}

}  // namespace

TEST_CASE("InspectTemplate: templates of real chat models yield nothing") {
  const std::string_view templates[] = {
      // ChatML
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + "
      "'\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
      "{% endif %}",
      // Namespaces, slices, filters, tests, macros
      "{%- set ns = namespace(multi_step_tool=true, "
      "last_query_index=messages|length - 1) %}"
      "{%- for message in messages[::-1] %}"
      "{%- set index = (messages|length - 1) - loop.index0 %}"
      "{%- if ns.multi_step_tool and message.role == \"user\" and not("
      "message.content.startswith('<tool_response>')) %}"
      "{%- set ns.multi_step_tool = false %}{%- endif %}{%- endfor %}",
      "{{- raise_exception('Conversation roles must alternate "
      "user/assistant/...') }}{{ strftime_now('%d %b %Y') }}",
      "{%- macro render(tool) %}{{ tool.function.name }}({% for k, v in "
      "tool.parameters.properties.items() %}{{ k }}: {{ v.type | tojson }}"
      "{% endfor %}){%- endmacro %}{{ render(tools[0]) }}",
      "{{ messages | map(attribute='role') | list | join(', ') }}",
      "{%- for i in range(0, messages|length, 2) %}{{ i }}{% endfor %}",
      "{{ message.content.split('</think>')[-1].lstrip('\\n') }}",
      "{% if message['role'] == 'system' %}{{ config.name }}{% endif %}",
      "{% generation %}{{ message['content']|trim }}{% endgeneration %}",
      "{% call render() %}x{% endcall %}{% filter upper %}y{% endfilter %}",
      // Prose: text, and string literals that are output
      "Do not use videos. Import os; call os.system('x') or __import__('os').",
      "{{ 'You can import os and use os.path or eval(x) and open(f).' }}",
      "{{ '# Tools\\n\\nclass Foo:\\n    def __init__(self): pass' }}",
      "{# cycler.__init__.__globals__ is only a comment #}",
      // Shapes of braces
      "{{ {'a': {'b': 1}} }}", "{ not code }", "{", "{{", "{%", "{#", "",
      "{{ '}}' }}", "{{ \"it's\" }} and it's fine"};
  for (const std::string_view text : templates) {
    CAPTURE(text);
    CHECK(InspectTemplate(text).empty());
  }
}

TEST_CASE("InspectTemplate: ways to the interpreter are critical") {
  const std::string_view attacks[] = {
      // CVE-2024-34359 as published
      "{% for x in ().__class__.__base__.__subclasses__() %}{% if \"warning\" "
      "in x.__name__ %}{{x()._module.__builtins__['__import__']('os')."
      "popen(\"touch /tmp/x\")}}{%endif%}{% endfor %}",
      "{{ ''.__class__.__mro__[1].__subclasses__() }}",
      "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
      "{{ lipsum.__globals__['os'] }}", "{{ self.__init__.__globals__ }}",
      "{{ self._TemplateReference__context.cycler }}",
      "{{ x.gi_frame.f_back.f_globals }}", "{{ x|attr('__class__') }}",
      "{{ x['__class__'] }}", "{{ x['__cla' ~ 'ss__'] }}",
      "{{ x['__cla' + \"ss__\"] }}", "{{ x['__cla' 'ss__'] }}",
      "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
      "{{ x['\\137\\137class\\137\\137'] }}",
      "{{ x['\\u005f\\u005fclass__'] }}", "{{ x['\\N{LOW LINE}_class__'] }}",
      "{{ messages | map(attribute='__class__') | list }}",
      "{{ a.b.popen('id') }}", "{% set x = f.__globals__ %}",
      "{%- if x.__class__ %}{%- endif %}", "{{\n\n  x . __class__\n}}",
      // Not closed, so a lenient engine runs it
      "{{ x.__class__ ",
      // Behind what looks like an end
      "{{ '}}' ~ x.__class__ }}", "{# x #}{{ x.__class__ }}",
      "{{ 'it' }}'{{ x.__class__ }}"};
  for (const std::string_view text : attacks) {
    CAPTURE(text);
    CHECK(Worst(text) == Severity::kCritical);
  }
}

TEST_CASE("InspectTemplate: starting points of attacks are high") {
  const std::string_view attacks[] = {"{{ x|attr(name) }}",
                                      "{{ x | attr (name) }}",
                                      "{{ joiner[name] }}",
                                      "{{ cycler.x }}",
                                      "{{ url_for|string }}",
                                      "{{ request.application }}",
                                      "{{ os.environ }}",
                                      "{{ subprocess.run(x) }}",
                                      "{{ eval('1') }}",
                                      "{{ open('/etc/passwd').read() }}",
                                      "{{ getattr(x, name) }}",
                                      "{{ x['eval'] }}",
                                      "{{ x['\\x5f'] }}",
                                      "{{ x.__something_else__ }}",
                                      "{{ '{0.__class__}'.format(x) }}",
                                      "{{ 'a' if '__globals__ ' in x }}"};
  for (const std::string_view text : attacks) {
    CAPTURE(text);
    CHECK(Worst(text) == Severity::kHigh);
  }
}

TEST_CASE("InspectTemplate: includes, endless loops and pieces are medium") {
  const std::string_view texts[] = {
      "{% include '/etc/passwd' %}",
      "{%- import 'x' as y %}",
      "{% extends 'x' %}",
      "{% from 'x' import y %}",
      "{% for i in range(99999999) %}x{% endfor %}",
      "{% for i in range(0, 99_999_999) %}x{% endfor %}",
      "{{ x[['__cla', 'ss__']|join] }}"};
  for (const std::string_view text : texts) {
    CAPTURE(text);
    CHECK(Worst(text) == Severity::kMedium);
  }
}

TEST_CASE("InspectTemplate: a sighting says what and where") {
  CHECK(InspectTemplate("ab {{ x.__class__ }}") ==
        std::vector<TemplateSighting>{
            {Severity::kCritical, "attribute __class__", 8}});
}

TEST_CASE("InspectTemplate: the number of sightings is bounded") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "{{ x.__class__ }}";
  CHECK(InspectTemplate(text).size() == kMaxTemplateSightings);
}

TEST_CASE("InspectTemplate: hostile texts take linear time") {
  // Each is quadratic in a scanner that searches ahead carelessly; a million
  // bytes of it then take minutes.
  std::string openings;
  std::string quotes = "{{ ";
  std::string escaped = "{{ '";
  std::string names = "{{ ";
  for (int i = 0; i < 250'000; ++i) {
    openings += "{{{#";
    quotes += "' \" ";
    escaped += "\\'";
    names += "os ";
  }
  const auto start = std::chrono::steady_clock::now();
  for (const std::string* text : {&openings, &quotes, &escaped, &names}) {
    InspectTemplate(*text);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

}  // namespace scanengine
