import { Outlet, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { SignInPage } from "../access/SignInPage.tsx";
import { useSession } from "../access/session.ts";
import { LiveBadge } from "../live/LiveBadge.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Icon } from "../parts/icons.tsx";
import { UndoOffers } from "../parts/undo.tsx";
import { paths } from "../paths.ts";
import { Mark } from "./Mark.tsx";
import { isHere, places } from "./navigation.ts";
import classes from "./shell.module.css";
import { ThemeToggle } from "./ThemeToggle.tsx";

/** The frame of every page: navigation, the live stream, and who is signed in. Without a session there is only signing in. */
export function Shell() {
  const session = useSession();
  return (
    <Answer of={session}>
      {({ actor }) =>
        actor === null ? (
          <SignInPage />
        ) : (
          <div className={classes.shell}>
            <a className={classes.skip} href="#main">
              Skip to content
            </a>
            <aside className={classes.side}>
              <AppLink to={paths.overview()} className={classes.brand} aria-label="Tenfold, overview">
                <Mark /> Tenfold
              </AppLink>
              <Navigation />
              <footer className={classes.foot}>
                <LiveBadge />
                <ThemeToggle />
              </footer>
            </aside>
            <UndoOffers>
              <Main />
            </UndoOffers>
          </div>
        )
      }
    </Answer>
  );
}

function Navigation() {
  const { pathname } = useLocation();
  return (
    <nav aria-label="Main" className={classes.nav}>
      {places.map((group) => (
        <div key={group.title}>
          <p>{group.title}</p>
          <ul>
            {group.places.map((place) => (
              <li key={place.path}>
                <AppLink to={place.path} aria-current={isHere(place.path, pathname) ? "page" : undefined}>
                  <Icon name={place.icon} /> {place.name}
                </AppLink>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

/** A new page takes the focus, so that keyboard and screen reader start at its top. */
function Main() {
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname]);
  return (
    <main id="main" ref={main} tabIndex={-1} className={classes.main}>
      <Outlet />
    </main>
  );
}
