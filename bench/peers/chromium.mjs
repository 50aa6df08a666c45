// Where the system's Chromium is: CHROMIUM, or the usual place of `apt-get install chromium`.

export const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
