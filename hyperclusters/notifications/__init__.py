"""Messages to chats of teams and auditors: Feishu/Lark, DingTalk, WeCom and Slack.

The package sits between `access`, which has the models, and `clusters`, whose worker runs it. It sends with
`modelarts.transport`, our transport on httpx: a deadline for the whole call and for DNS, no redirects, no proxies or
netrc from the environment, answers of bounded size. A library such as apprise has none of these, and returns True or
False instead of the service's answer; the four services are four small JSON bodies (`formats`).
"""
