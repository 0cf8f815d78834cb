export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const THEME_KEY = "aiko-theme";

/**
 * Runs in the head before anything is painted, so that nobody who chose a theme sees a flash of the other one. It is the
 * same text on every page: the Content-Security-Policy allows it by its hash.
 */
export const THEME_SCRIPT = `try{var t=localStorage.getItem("${THEME_KEY}");if(t==="light"||t==="dark")document.documentElement.dataset.theme=t}catch(e){}`;
