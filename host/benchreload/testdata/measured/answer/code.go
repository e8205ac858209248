package answer

const code = "code-0"
