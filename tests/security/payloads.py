"""Texts with which a shop's data attacks whoever shows them; each sets the title of a page to "owned" if it runs."""

RUN = "document.title='owned'"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f"<svg onload={RUN}>",
    f"<details open ontoggle={RUN}>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f"</div></td></tr></table></script><script>{RUN}</script>",
    f'"><script>{RUN}</script><i class="',
    f"'><script>{RUN}</script><i class='",
    f"--><script>{RUN}</script><!--",
    f'<a href="javascript:{RUN}">click</a>',
    "<meta http-equiv=refresh content='0;url=data:text/html,owned'>",
    "<base href='//attacker.example/'>",
    "<style>body{display:none}</style>",
    "<!-- hides the rest",
    "&lt;script&gt; &amp; &#60;",
    "$PARAMETER ${value} $$ $styling {{7*7}} {% raw %} {{section_id}}",
    "[a](javascript:alert(1)) **bold** `code`",
    "\uff1cscript\uff1e \ufdd0 \ufdd5",
)
