export const code = 'code-0';
