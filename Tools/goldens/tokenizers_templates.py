"""Chat templates written for the tests: the formats of well-known model families, with the constructs their files use."""

LLAMA3 = """{%- set ns = namespace(n=0) %}
{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "1 Jan 2025" %}
{%- endif %}
{#- The first turn may set the scene. #}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
    {%- set rest = messages %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: tools\\n" }}
{%- endif %}
{{- "Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in rest %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {%- set ns.n = ns.n + 1 %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.content is mapping or message.content is iterable %}
        {{- message.content | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
{{- ns.n ~ "/" ~ rest | length }}
"""

QWEN2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}
{{'<|im_start|>' + message['role'] + '\\n' + message['content']}}{% if (loop.last and add_generation_prompt) or not loop.last %}{{ '<|im_end|>' + '\\n'}}{% endif %}{% endfor %}
{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

QWEN_TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages and messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(open=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.open and message.role == "user" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.open = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = content.split('—')[0].rstrip('\\n').lstrip('\\n') %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

GEMMA = """{{ bos_token }}
{%- if messages and messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must take turns: user, assistant, user, assistant") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
"""

LANGUAGE = """{# White space, precedences and functions. #}
  {% if true %}
    a
  {% endif %}  
text {% if messages|length > 1 %}more{% else %}less{% endif %} text
{{ 1 + 2 * 3 - 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 'a' ~ 1 ~ none }} {{ "x" if false }}|
{%+ set x = ['b', "a", 'c'] %}
   {{ x[1:] | join(', ') }} {{ x[-1] }} {{ x[::-1]|join }} {{ 'abcdef'[1:-1:2] }} {{ x|first }}{{ x|last }}
{% for item in x if item != 'a' -%}
  {{ loop.index }}/{{ loop.length }}:{{ item|upper }}{{ '' if loop.last else ', ' }}
{%- else %}none{% endfor %}

{% for key, value in {'k': 1, 'q': [true, none, "é\\n"]}.items() %}{{ key }}={{ value|tojson }};{% endfor %}
{{ {'a': [1, {'b': []}], 'c': {}} | tojson(indent=2) }}
{{ missing | default('d') }} {{ '' | default('e', true) }} {{ missing is defined }} {{ not missing is defined and 1 in [1, 2] }}
{{ 'b' not in 'abc' }} {{ 'ä' == 'a\\u0308' }} {{ 'A' < 'a' }} {{ 'x'.upper() + ' y '.strip() }} {{ 'a-b-c'.split('-')[1] }} {{ 'aXbX'.replace('X', '') }}
{% for i in range(2, 8, 3) %}{{ i }}{% endfor %} {% set block %}in {{ x|length }}{% endset %}{{ block | trim }}
{% for m in messages %}{{ m.role[0] }}{{ m['content'] | trim | length }}{{ ',' if not loop.last }}{% endfor %}
{%- if x[0] == 'b' and not (1 > 2) or false %} yes {%- endif -%}   

end {{ 'tab\\t' }}
"""

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TEMPLATES = {"llama3": (LLAMA3, TOKENS), "qwen2": (QWEN2, TOKENS), "qwen-tools": (QWEN_TOOLS, TOKENS), "gemma": (GEMMA, TOKENS),
             "language": (LANGUAGE, TOKENS)}
