const secure = process.env.NODE_ENV === "production";

// __Host-: the browser itself makes sure that only this host, over https, has set it.
export const SESSION_COOKIE = secure ? "__Host-aiko-session" : "aiko-session";
export const SESSION_COOKIE_OPTIONS = { secure, httpOnly: true, sameSite: "lax", path: "/" } as const;
