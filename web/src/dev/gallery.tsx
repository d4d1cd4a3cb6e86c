/**
 * Every screen with invented content, for looking at: `npm run dev`, then `/gallery.html?screen=…`.
 * Not part of the build, which starts from `index.html` alone.
 */
import '../styles.css';
import { createRoot } from 'react-dom/client';
import { Providers } from '../Providers';
import { SCREENS } from './screens';

const parameters = new URLSearchParams(window.location.search);
const theme = parameters.get('theme');
if (theme !== null) document.documentElement.dataset.theme = theme;

const screen = SCREENS[parameters.get('screen') ?? ''];
const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <Providers>
      {screen === undefined ? (
        <ul className="p-6">
          {Object.keys(SCREENS).map((name) => (
            <li key={name}>
              <a className="underline" href={`?screen=${name}`}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      ) : (
        screen()
      )}
    </Providers>,
  );
}
